# Starts the program: with the rows, the folder of the run and the seed. This is the place for an
# environment of its own (`conda run`, `module load`), or for a program in any other language.
exec "$PYTHON" "$(dirname "$0")/mine.py" "$@"
