"""Collections of persons and faces: enrol, search, delete. Imported by the first call that asks."""
