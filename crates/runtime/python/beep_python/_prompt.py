"""Python typed into a session, a text at a time: runs it as Python's prompt does, and completes it. A client creates a `Prompt` and calls
it."""

import sys
import warnings

from . import _completion, _current, _last_exception, _magics, _source_text, _unawaited
from ._builtins import own as __builtins__
from ._exit import call_excepthook

PROMPTS = (("ps1", ">>> "), ("ps2", "... "))


class Prompt:
    def __init__(self):
        _last_exception.keep()
        _unawaited.tell_origins()
        self.namespace = sys.modules["__main__"].__dict__
        prompts()

    def complete(self, before):
        """Completes what the text ends with: its start, in characters, and the candidates."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _completion.complete(before, self.namespace)

    def run(self, source):
        """Runs a text. Results go to `sys.displayhook`, and exceptions to `sys.excepthook` where that is the user's. Returns the
        prompts of the next text."""
        session = _current.session
        return self.shown(lambda: session.run(program_of(source), session.namespace))

    def run_startup(self, path):
        """Runs the file of PYTHONSTARTUP."""
        return self.shown(lambda: _source_text.run_file(path))

    def prompts(self):
        """The prompts of the next text, where the last one raised."""
        return prompts()

    def shown(self, run):
        client = _current.client
        client.shown.clear()
        try:
            run()
        except BaseException as error:
            if not tell_hook(error, client):
                raise
        finally:
            client.show_figures()
        return prompts()


def program_of(source):
    """The program of a text, in which lines of IPython's may stand that are no Python."""
    compiler = _current.compiler
    try:
        return compiler.typed(source, source)
    except SyntaxError:
        rewritten = _magics.rewritten(source)
        if rewritten is None:
            raise
    return compiler.typed(rewritten, source)  # not in the handler: what is wrong now is another mistake


def prompts():
    """What to show in front of the first line, and of further ones."""
    out = []
    for name, usual in PROMPTS:
        if not hasattr(sys, name):
            setattr(sys, name, usual)
        try:
            out.append(str(getattr(sys, name)))
        except Exception:
            out.append(usual)
    return out


def tell_hook(error, client):
    """Whether a hook of the user's has shown the exception."""
    if sys.excepthook is sys.__excepthook__ or isinstance(error, SystemExit) or client.is_stopping():
        return False
    _last_exception.note(error)
    raised = call_excepthook(error)
    if isinstance(raised, SystemExit):
        raise raised
    return True
