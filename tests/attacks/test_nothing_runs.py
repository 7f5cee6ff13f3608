"""The proof that nothing runs: no attack made the process import, compile, write, connect or start anything."""


def test_nothing_happens_while_attacks_are_read(outcomes):
    found = {name: events for name, (_, _, _, events) in outcomes.items() if events and name != "control"}
    assert len(outcomes) > 300
    assert found == {}


def test_the_hook_sees_what_pythons_own_reader_does(outcomes):
    events = " ".join(outcomes["control"][3])
    assert "pickle.find_class" in events
    assert "import" in events
