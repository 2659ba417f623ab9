"""The contract of a method: properties of any class, each a function that says what it found."""
