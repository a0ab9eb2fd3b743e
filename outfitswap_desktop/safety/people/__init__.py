"""What the gates know of the chosen person: apparent age, skin, and how much of it a picture shows."""
