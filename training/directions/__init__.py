"""Finding directions by what they change in pictures, naming, drawing and measuring them."""
