"""The police gateway: intake, incidents, relay, enrolment, store."""
