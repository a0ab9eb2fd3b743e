"""The site's templates and style sheet, and who draws them."""
