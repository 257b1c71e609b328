"""The error of a user: one sentence on what is wrong, where, and what would be right."""


class UserError(ValueError):
    """A mistake in what the user gave us.

    The message is one line, complete in itself: what is wrong, where (file and line, option,
    folder), and what would be right. The command line prints it without a traceback and exits
    with status 2.
    """
