"""The SIP programs that the tests call and are called by, installed where this is possible without asking anybody."""

import os
import shutil
import subprocess
import sys

PACKAGES = {"sipp": "sip-tester", "baresip": "baresip-core", "linphonec": "linphone-cli", "kamailio": "kamailio"}
"""Debian's packages of the programs."""


def found(program: str) -> str | None:
    """Where a program is. Servers are in a directory that is not on everybody's path."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def install_missing() -> None:
    """Tests whose program is still missing afterwards are skipped, and say so."""
    missing = [package for program, package in PACKAGES.items() if found(program) is None]
    if not missing or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print(f"Installing {' and '.join(missing)} for the tests", file=sys.stderr)
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(
            ["apt-get", *arguments],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            print(f"'apt-get {' '.join(arguments)}' failed", file=sys.stderr)
            return
