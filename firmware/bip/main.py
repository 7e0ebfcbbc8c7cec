"""Builds and runs the bip. Whatever falls, the presses are on storage: start anew."""

import machine

begun = False
try:
    # The button first: a press counts from here on, however long all the rest takes to load.
    import board
    from button import Button

    button = Button(board.BUTTON)
    # The largest next: compiling it needs the room that the others would take.
    import sender  # noqa: F401
    from start import begin, opened_storage

    storage = opened_storage()
    begin(button, storage)
    begun = True
    from wake import run

    run(board, button, storage)
except Exception as error:
    import sys

    sys.print_exception(error)
    try:
        from start import begin, note_fall, opened_storage

        storage = opened_storage()
        if not begun:
            begin(button, storage)
        note_fall(button, storage)
    except Exception as second:
        sys.print_exception(second)
    machine.reset()
