"""What a confined process can take: the kernel says no, whatever a decoder does."""

from __future__ import annotations

import signal

from greedy_processes import FULL, take_memory, take_time

from tasks.media.confinement import MEMORY_BYTES, ConfinedContext, clean_environment


def ended(target, *arguments):
    process = ConfinedContext().Process(target=target, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def test_memory_ends_at_the_limit_and_not_before_what_8k_takes():
    assert ended(take_memory, MEMORY_BYTES) == FULL
    assert ended(take_memory, MEMORY_BYTES // 2) == 0


def test_time_of_the_processor_ends():
    assert ended(take_time) == -signal.SIGXCPU


def test_only_what_is_named_is_passed_on():
    passed = {"PATH": "/bin", "LC_CTYPE": "C.UTF-8", "SSL_CERT_FILE": "/ca.pem"}
    kept = {"AWS_PROFILE": "me", "WAVESPEED_API_KEY": "k", "PREFECT_API_URL": "http://x"}
    proxies = {
        "https_proxy": "http://proxy.example:3128",
        "HTTP_PROXY": "http://me:secret@proxy.example",
        "no_proxy": "localhost",
    }
    found = clean_environment(passed | kept | proxies)
    assert found == passed | {"https_proxy": proxies["https_proxy"], "no_proxy": "localhost"}
