def test_unknown_paths_are_a_problem(client):
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
