"""The service and MLflow's registry together: promote and roll back, without a restart."""

import pytest

from helpers.disruption.registry import Registry
from helpers.disruption.store import Store
from tests.serving import bundle, eventually, plan_list, request_of, serving


def test_it_follows_the_real_registry(tmp_path):
    store = Store(tmp_path / "store.db")
    registry = Registry(tmp_path / "registry")
    versions = [registry.log(one.model, one.card) for one in (bundle(), bundle("base_rate"))]
    registry.promote(versions[0])
    with serving(store, registry) as client:
        assert client.get("/v1/model").json()["version"] == versions[0]
        registry.promote(versions[1])
        assert eventually(lambda: client.get("/v1/model").json()["name"] == "base_rate")
        registry.rollback()
        assert eventually(lambda: client.get("/v1/model").json()["name"] == "boosting")
        served = client.post("/v1/predictions", json=request_of(plan_list()[0], with_features=True)).json()
    row = {name: float("nan") if value is None else value for name, value in served["features"].items()}
    assert served["probability"] == pytest.approx(bundle().model.predict_rows([row])[0])
    store.close()
