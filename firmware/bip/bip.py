"""Builds and runs the bip. Whatever falls, the presses are on storage: start anew."""

import board
import machine
from button import Button

# The button first: a press counts from here on, however long all the rest takes to load.
button = Button(board.BUTTON)


def run(on_trial: bool, fetches: bool) -> None:
    """Run until the bip sleeps.

    on_trial: this program has not shown yet that it works. fetches: this start is for an update.

    What is not caught here is a program that cannot even begin: `main` goes back to another.
    """
    begun = False
    try:
        if not fetches:
            # The largest next: compiling it needs the room that the others would take.
            import sender  # noqa: F401
        from start import begin, opened_storage

        storage = opened_storage()
        begin(board, button, storage)
        begun = True
        if fetches and not button.pending():
            import fetch

            fetch.run(button, storage)
        import wake

        wake.run(board, button, storage, on_trial)
    except Exception as error:
        import sys

        sys.print_exception(error)
        from start import begin, note_fall, opened_storage

        try:
            storage = opened_storage()
            if not begun:
                begin(board, button, storage)
            note_fall(button, storage, error)
        except OSError as second:
            sys.print_exception(second)  # the flash keeps nothing
        machine.reset()
