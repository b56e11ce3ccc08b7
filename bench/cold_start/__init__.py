"""How long a new container takes to its first answer, and where that time goes."""
