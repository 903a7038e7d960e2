"""What is read out of Triton's log; the texts are Triton's."""

from i3d_server.triton_log import failed_models, last_words, port_was_taken, stub_failure

BROKEN = """\
I1122 17:25:21.1 4473 server.cc:604] "loading"
E1122 17:25:21.3 4473 model_lifecycle.cc:642] "failed to load 'tiny' version 1: Internal: No module

At:
  /backends/openvino_cpu/model.py(18): <module>
"
I1122 17:25:21.4 4473 model_lifecycle.cc:777] "failed to load 'tiny'"
error: creating server: Internal - failed to load all models
"""


def test_a_broken_model_has_its_reason_and_no_code_lines() -> None:
    assert failed_models(BROKEN) == {"tiny": "Internal: No module"}
    assert last_words(BROKEN) == "error: creating server: Internal - failed to load all models"


def test_a_stub_that_does_not_start_is_seen() -> None:
    line = "bash: line 1: /tmp/backends/python/triton_python_backend_stub: Text file busy"
    assert stub_failure(f'I1122 17:43:41.8 18320 x.cc:1] "loading: tiny:1"\n{line}\n') == line
    assert stub_failure(BROKEN) is None


def test_a_lost_port_is_told_from_other_failures() -> None:
    text = (
        "error: failed to start GRPC service: Unavailable - Socket '127.0.0.1:1' already in use \n"
    )
    assert port_was_taken(text)
    assert not port_was_taken(BROKEN)
    assert last_words("") == "(the log is empty)"
