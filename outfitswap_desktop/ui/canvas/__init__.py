"""The mask editor: photo, mask overlay, brushes and selections on a QGraphicsView."""
