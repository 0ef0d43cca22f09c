#!/usr/bin/env python3
"""Types lines and TAB into an interactive shell on a terminal, and waits until it shows what is expected.

type_tab.py SHELL SETUP LINE WORD… [:: LINE WORD…]…     exit 1: some word was not offered in time
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

START = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
# Halves, so that the echo of this line is not taken for the prompt that it sets.
PROMPT = {"bash": "PS1='rea''dy> '", "zsh": "PROMPT='rea''dy> '"}
DEADLINE_S = 30


def shown(raw):
    """What a reader of the terminal sees of it, near enough to look for words."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>()][B0]?|[\r\x00\x07]", " ", raw.decode(errors="replace"))


def wait_for(terminal, words):
    raw, deadline = b"", time.monotonic() + DEADLINE_S
    patterns = [re.compile(r"(?<![\w-])" + re.escape(word) + r"(?![\w-])") for word in words]
    while missing := [word for word, pattern in zip(words, patterns) if not pattern.search(shown(raw))]:
        readable, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        if not readable:
            sys.exit("not offered: %s\nthe terminal shows:\n%s" % (" ".join(missing), shown(raw)))
        try:
            raw += os.read(terminal, 65536)
        except OSError:
            sys.exit("the shell has ended:\n" + shown(raw))


def split(words):
    checks = [[]]
    for word in words:
        checks[-1].append(word) if word != "::" else checks.append([])
    return checks


def main():
    shell, setup, *rest = sys.argv[1:]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="vt100", HISTFILE="")
        os.execvp(shell, START[shell])
    # As large as it takes to list everything without a question.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 400, 160, 0, 0))
    try:
        os.write(terminal, (setup + "\n" + PROMPT[shell] + "\n").encode())
        wait_for(terminal, ["ready>"])
        for number, (line, *words) in enumerate(split(rest)):
            os.write(terminal, (line + "\t").encode())
            wait_for(terminal, words)
            # Clears the line, and shows that the shell is through with it.
            os.write(terminal, b"\x15echo do''ne%d\n" % number)
            wait_for(terminal, ["done%d" % number])
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


main()
