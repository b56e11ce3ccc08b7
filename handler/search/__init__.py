"""Collections of persons and faces: enrol, search, delete. Imported by the first request for it."""
