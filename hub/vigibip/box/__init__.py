"""The box of a shop: receiver link, queue, carriers."""
