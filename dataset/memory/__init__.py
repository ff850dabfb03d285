"""What memory methods keep of earlier steps: records of objects, and how they are replayed."""
