"""The police radios: one contract, one module a system, each with its simulator."""
