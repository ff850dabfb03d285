"""What a run is told: flags with their scopes, recipes, published command lines, and the builder of parts."""
