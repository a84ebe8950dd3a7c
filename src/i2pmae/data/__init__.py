"""Point clouds as one kind of set, wherever they come from: users' own files, arrays, or built-in shapes."""
