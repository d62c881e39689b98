import pytest

from dialtone.media.rtp.packet import build
from dialtone.media.rtp.srtp import SUITES, Srtp, SrtpError, SrtpKey


def ends(suite=SUITES[0]):
    one, other = SrtpKey.generate(suite), SrtpKey.generate(suite)
    return Srtp(one, other), Srtp(other, one)


# RFC 3711 has no whole packet as an example; this one is libsrtp's own (test/srtp_driver.c, srtp_validate).
KEY = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139" + "0ec675ad498afeebb6960b3aabe6")
PLAIN = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
PROTECTED = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")


def test_packets_are_those_of_the_reference():
    key = SrtpKey(SUITES[0], KEY)
    assert Srtp(key, key).protect(PLAIN) == PROTECTED
    assert Srtp(key, key).unprotect(PROTECTED) == PLAIN


@pytest.mark.parametrize(("suite", "tag"), [(SUITES[0], 10), (SUITES[1], 4)])
def test_what_one_end_protects_the_other_reads(suite, tag):
    here, there = ends(suite)
    packet = build(0, 1, 160, 7, b"speech")
    protected = here.protect(packet)
    assert len(protected) == len(packet) + tag
    assert b"speech" not in protected
    assert there.unprotect(protected) == packet
    control = b"\x80\xc9\0\1abcd"
    assert there.unprotect_rtcp(here.protect_rtcp(control)) == control


def test_a_changed_a_repeated_and_a_foreign_packet_are_refused():
    here, there = ends()
    protected = here.protect(build(0, 1, 160, 7, b"speech"))
    with pytest.raises(SrtpError):
        there.unprotect(protected[:-1] + bytes([protected[-1] ^ 1]))
    there.unprotect(protected)
    with pytest.raises(SrtpError):
        there.unprotect(protected)
    with pytest.raises(SrtpError):
        there.unprotect(ends()[0].protect(build(0, 2, 160, 7, b"speech")))
    for size in (0, 1, 11, 12, 20, 1500, 2000):
        with pytest.raises(SrtpError):
            there.unprotect(bytes(size))
        with pytest.raises(SrtpError):
            there.unprotect_rtcp(bytes(size))


def test_the_rollover_of_sequence_numbers_is_counted():
    here, there = ends()
    for number in range(65000, 65536 * 2 + 200, 50):
        packet = build(0, number % 65536, 160, 7, b"speech")
        assert there.unprotect(here.protect(packet)) == packet


def test_each_direction_goes_on_counting_rollovers_as_long_as_its_key_stays():
    ours, theirs = SrtpKey.generate(), SrtpKey.generate()
    here, there = Srtp(ours, theirs), Srtp(theirs, ours)
    numbers = iter(range(65500, 65536 * 2))

    def both_understand():
        for _ in range(50):
            packet = build(0, next(numbers) % 65536, 160, 7, b"speech")
            assert there.unprotect(here.protect(packet)) == packet
            assert here.unprotect(there.protect(packet)) == packet

    both_understand()
    here = Srtp(ours, theirs, here)
    both_understand()
    other = SrtpKey.generate()
    here, there = Srtp(other, theirs, here), Srtp(theirs, other, there)
    both_understand()
    here, there = Srtp(other, ours, here), Srtp(ours, other, there)
    both_understand()


def test_keys_are_read_and_written_as_in_sdp():
    key = SrtpKey.generate()
    assert SrtpKey.from_inline(SUITES[0], key.inline) == key
    assert SrtpKey.from_inline(SUITES[0], key.inline + "|2^20") == key
    assert len(key.inline) == 40
    assert key.inline not in repr(key)
    assert repr(key.key) not in repr(key)


@pytest.mark.parametrize(
    ("suite", "inline", "words"),
    [
        (SUITES[0], "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4", "MKI"),
        (SUITES[0], "not base64!", "base64"),
        (SUITES[0], "c2hvcnQ=", "30 bytes"),
        ("AES_CM_256_HMAC_SHA1_80", "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz", "suite"),
    ],
)
def test_other_keys_are_refused_in_words(suite, inline, words):
    with pytest.raises(ValueError, match=words) as refused:
        SrtpKey.from_inline(suite, inline)
    assert inline not in str(refused.value)
