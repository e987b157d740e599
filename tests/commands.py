"""Commands of the package, called as the command line calls them."""

import contextlib
import io

from ganbook import cli


def call(*arguments):
    """Exit code, standard output and standard error of one command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), err.getvalue()


def refused(*arguments, code=2):
    """The one line that a command which fails writes to standard error."""
    got, _, err = call(*arguments)
    assert (got, err.count("\n")) == (code, 1), err
    return err.strip()
