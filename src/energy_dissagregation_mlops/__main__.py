"""Where `edmlops` starts: nothing else is imported before it is settled what Ctrl-C does.

Until a command can tell of it, an interruption ends the process by the signal, without a word. It does not know
what the commands are.
"""

import signal

# A shell starts background jobs with the signal ignored: that stays so.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run `edmlops`."""
    from energy_dissagregation_mlops import cli

    cli.main()


if __name__ == "__main__":
    main()
