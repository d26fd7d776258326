"""Whatever a client sends, it gets a documented status, in one shape, and soon."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.cloud_run.verify import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.serve.conftest import Service

JSON = {"Content-Type": "application/json"}
DOCUMENTED = {200, 400, 401, 403, 408, 413, 415, 429, 503}


def body(text: str = "", **fields: Any) -> bytes:
    """One block group with other fields, and `text` put in first as it is."""
    place = json.dumps(PLACE | fields)
    return f'{{"instances": [{{{text}{place[1:]}]}}'.encode()


def send(
    service: Service, content: bytes, headers: dict[str, str] | None = None, path: str = "predict"
) -> httpx.Response:
    return service.client.post(f"/api/v1/{path}", content=content, headers=headers or JSON)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return found


def errors(answer: httpx.Response) -> dict[str, tuple[Any, str]]:
    return {
        found["path"]: (found["value"], found["rule"]) for found in problem(answer, 400)["errors"]
    }


@pytest.mark.parametrize(
    ("written", "echoed"),
    [
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("-Infinity", "-inf"),
        ("1e999", "inf"),
        ("1e400000", "inf"),
        ("1e308", 1e308),
        ("9" * 400, "inf"),
        ("-0.5", -0.5),
        ('"8.3"', "8.3"),
        ("true", True),
        ("null", None),
        ("[8.3]", "a list of 1 items"),
        ('{"a": 8.3}', "an object of 1 fields"),
    ],
)
def test_a_value_that_is_no_number_in_range_is_named_with_its_rule(
    service: Service, written: str, echoed: Any
) -> None:
    content = body().replace(b"8.3252", written.encode())
    found = errors(send(service, content))
    rule = "must be a number from 0.1 to 100 tens of thousands of dollars"
    assert found == {"instances[0].median_income": (echoed, rule)}


def test_every_offending_field_of_every_block_group_is_named_at_once(service: Service) -> None:
    place = dict(PLACE, longitude=12.5, latitude="north", ocean_proximity="MOON", colour="red")
    del place["population"]
    content = json.dumps({"instances": [PLACE, place, 7], "extra": []}).encode()
    found = errors(send(service, content))
    assert found.keys() == {
        "instances[1].longitude",
        "instances[1].latitude",
        "instances[1].ocean_proximity",
        "instances[1].colour",
        "instances[1].population",
        "instances[2]",
        "extra",
    }
    assert found["instances[1].ocean_proximity"][1].startswith("must be one of <1H OCEAN")


@pytest.mark.parametrize(
    "text",
    [
        '"longitude": -120.0, ',
        '"total_bedrooms": null, ',
        '"l\\u006fngitude": -120.0, ',
        '"ocean_proximity": "INLAND", ',
    ],
)
def test_a_key_that_is_given_twice_is_refused(service: Service, text: str) -> None:
    found = errors(send(service, body(text)))
    assert [rule for _, rule in found.values()] == ["must be given once"]


def test_a_repeated_list_of_instances_is_refused(service: Service) -> None:
    twice = b'{"instances": [], ' + body()[1:]
    assert "must be given once" in send(service, twice).text


def test_names_in_escapes_and_missing_bedrooms_are_taken(service: Service) -> None:
    escaped = body().replace(b"longitude", b"l\\u006fngitude")
    missing = {name: value for name, value in PLACE.items() if name != "total_bedrooms"}
    assert send(service, escaped).status_code == 200
    assert send(service, body(total_bedrooms=None)).status_code == 200
    assert send(service, json.dumps({"instances": [missing]}).encode()).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"instances": null}',
        b'{"instances": []}',
        b'{"instances": {}}',
        b'{"instances": [null]}',
        b'{"instances": [[]]}',
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf" + body(),
        body().decode().encode("utf-16"),
        body().replace(b"NEAR BAY", b"NEAR\xffBAY"),
        body().replace(b"NEAR BAY", b"NEAR\\ud800BAY"),
        body() + b"x",
        b"[" * 100_000,
        b'{"instances":' * 50_000,
        b"[" * 500 + b"]" * 500,
        b'{"instances": [' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"]}",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_body_that_is_no_request_is_refused_with_a_reason(
    service: Service, content: bytes
) -> None:
    for path in ("predict", "explain"):
        assert all(rule for _, rule in errors(send(service, content, path=path)).values())


def test_an_answer_to_nonsense_has_a_bound(service: Service) -> None:
    answer = send(service, json.dumps({"instances": [{}] * 1000}).encode())
    assert problem(answer, 400)["errors_omitted"] > 7000
    assert len(answer.content) < 30_000


def test_more_block_groups_than_allowed_are_refused(service: Service) -> None:
    many = json.dumps({"instances": [PLACE] * 1001}).encode()
    few = json.dumps({"instances": [PLACE] * 11}).encode()
    assert "1 to 1000" in str(errors(send(service, many)))
    assert "1 to 10 " in str(errors(send(service, few, path="explain")))


def test_of_a_thousand_wrong_block_groups_the_first_hundred_faults_are_named_and_the_rest_counted(
    service: Service,
) -> None:
    wrong = dict.fromkeys(PLACE, "x")
    answer = send(service, json.dumps({"instances": [wrong] * 1000}).encode())
    found = problem(answer, 400)
    assert (len(found["errors"]), found["errors_omitted"]) == (100, 8900)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_other_media_types_and_encodings_are_415(service: Service, headers: dict[str, str]) -> None:
    request = service.client.build_request("POST", "/api/v1/predict", content=body())
    request.headers.update(headers)
    assert "application/json" in problem(service.client.send(request), 415)["detail"]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json; charset=UTF-8",
        'Application/JSON;charset="utf-8"',
        "application/json; charset=utf8",
        "application/json ; charset = utf-8 ; profile=x",
        'application/json; profile="a"; charset=utf-8',
    ],
)
def test_json_in_utf_8_is_taken_however_it_is_announced(service: Service, media_type: str) -> None:
    assert send(service, body(), {"Content-Type": media_type}).status_code == 200


def test_a_body_beyond_the_limit_is_413_announced_or_not(service: Service) -> None:
    big = b" " * 1_048_577
    assert "1,048,576" in problem(send(service, big), 413)["detail"]
    chunks = (b" " * 65_536 for _ in range(64))
    with httpx.Client(base_url=service.url) as client:
        answer = client.post("/api/v1/predict", content=chunks, headers=JSON)
    problem(answer, 413)


def test_unknown_paths_and_methods_have_the_same_shape(service: Service) -> None:
    problem(service.client.get("/api/v1/nothing"), 404)
    problem(service.client.delete("/api/v1/predict"), 405)


def test_head_works_wherever_get_does(service: Service) -> None:
    paths = ("/", "/operators", "/docs", "/health", "/health/live", "/metrics", "/api/v1/model")
    for path in paths:
        got, head = service.client.get(path), service.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        if path != "/metrics":
            assert head.headers["content-length"] == got.headers["content-length"]
    problem_of_head = service.client.head("/api/v1/predict")
    assert problem_of_head.status_code == 405


def test_a_client_that_leaves_in_the_middle_of_a_body_harms_nobody(service: Service) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            head = b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n"
            client.sendall(head + b'Content-Type: application/json\r\n\r\n{"inst')
    assert send(service, body()).status_code == 200
    assert service.metric("housing_request_seconds_count", status="500") == 0


numbers = st.one_of(
    st.floats(), st.integers(), st.text(max_size=5), st.none(), st.booleans(), st.just(10**40)
)
places = st.dictionaries(
    st.one_of(st.sampled_from(sorted(PLACE)), st.text(max_size=8)), numbers, max_size=12
)
anything = st.recursive(
    numbers | places,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@st.composite
def damaged(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """A good body with some bytes changed."""
    content = bytearray(body())
    for place in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = draw(st.integers(0, 255))
    return bytes(content)


@settings(max_examples=300, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        damaged(),
        places.map(lambda place: json.dumps({"instances": [PLACE | place]}).encode()),
        anything.map(lambda value: json.dumps({"instances": value}).encode()),
        anything.map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_body_gets_a_documented_status_before_the_client_gives_up(
    service: Service, content: bytes
) -> None:
    for path in ("predict", "explain"):
        answer = send(service, content, path=path)
        assert answer.status_code in DOCUMENTED
        if answer.status_code != 200:
            problem(answer, answer.status_code)
