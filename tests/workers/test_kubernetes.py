"""What can be known of Kubernetes without a cluster: the instance loads, and a run becomes the right Job.

A server of the test answers as the API of Kubernetes does to a client that creates a Job. Whether a cluster
schedules it, pulls the image and lets its pods reach the databases, only a cluster can show.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, cast

import dagster as dg
import pytest
from dagster._core.launcher import LaunchRunContext  # noqa: TID251 - what a daemon gives to a launcher
from dagster_k8s import K8sRunLauncher
from ruamel.yaml import YAML

from demo_pipeline.defs.asset_pages.show_job import show_job
from demo_pipeline.defs.shared.run_coordinator import ProjectRunCoordinator
from tests.fixtures.dagster_instance import DagsterHome
from tests.paths import PROJECT

FOLDER: Final = PROJECT / "deploy" / "k8s"
CONFIG: Final = {"ops": {"show": {"config": {"job_id": "-"}}}}


class _Api(BaseHTTPRequestHandler):
    """Creates whatever is posted."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        cast("Any", self.server).posted.append((self.path, json.loads(body)))
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is inherited
        """Stay silent."""


@pytest.fixture
def posted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Any]]]:
    """Paths and bodies that were posted to the API of the cluster that ``KUBECONFIG`` names."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    server.posted = []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    cluster = {"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
    context = {"name": "test", "context": {"cluster": "test", "user": "test"}}
    (tmp_path / "kubeconfig").write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "contexts": [context],
                "users": [{"name": "test", "user": {"token": "test"}}],
                "current-context": "test",
            }
        ),
        encoding="utf-8",
    )
    yield server.posted
    server.shutdown()
    server.server_close()


def read(name: str) -> Any:
    """A file of the folder, as YAML."""
    return cast("Any", YAML(typ="safe", pure=True)).load((FOLDER / name).read_text(encoding="utf-8"))


@pytest.fixture
def instance(
    dagster_home: DagsterHome, tmp_path: Path, posted: list[tuple[str, Any]]
) -> Iterator[dg.DagsterInstance]:
    """The instance of ``deploy/k8s``, outside a cluster: it is told where the API is."""
    text = (FOLDER / "dagster.yaml").read_text(encoding="utf-8")
    line = "    job_namespace: demo-pipeline\n"
    assert text.count(line) == 1
    outside = f"    load_incluster_config: false\n    kubeconfig_file: {tmp_path / 'kubeconfig'}\n"
    (tmp_path / "k8s.yaml").write_text(text.replace(line, line + outside), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path), "k8s.yaml") as made:
        yield made


def test_a_run_becomes_a_job_of_the_cluster(
    instance: dg.DagsterInstance, posted: list[tuple[str, Any]]
) -> None:
    """The Job has the image, the URLs by secret, the instance, and executes this run, once."""
    assert isinstance(instance.run_launcher, K8sRunLauncher)
    assert isinstance(instance.run_coordinator, ProjectRunCoordinator)
    run = instance.create_run_for_job(
        show_job, run_config=CONFIG, job_code_origin=dg.reconstructable(show_job).get_python_origin()
    )
    instance.run_launcher.launch_run(LaunchRunContext(run, None))
    [(path, job)] = posted
    assert path == "/apis/batch/v1/namespaces/demo-pipeline/jobs"
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["securityContext"] == {"runAsNonRoot": True, "runAsUser": 10001}
    [container] = pod["containers"]
    assert container["image"] == "registry.internal/demo-pipeline:latest"
    assert {"secretRef": {"name": "demo-pipeline-urls"}} in container["envFrom"]
    assert {"name": "DAGSTER_HOME", "value": "/opt/demo-pipeline/instance"} in container["env"]
    assert container["args"][:3] == ["dagster", "api", "execute_run"]
    assert run.run_id in container["args"][3]
    # The instance goes along: the pod needs no file of its own.
    assert "demo_pipeline.defs.shared.instance_storage" in container["args"][3]


def test_the_pods_of_the_chart_have_the_same_instance_image_and_urls() -> None:
    """What values and instance file both say is the same in both."""
    values, launcher = read("values.yaml"), read("dagster.yaml")["run_launcher"]["config"]
    pods: list[Mapping[str, Any]] = [
        values["dagsterWebserver"],
        values["dagsterDaemon"],
        *values["dagster-user-deployments"]["deployments"],
    ]
    for pod in pods:
        assert f"{pod['image']['repository']}:{pod['image']['tag']}" == launcher["job_image"]
        assert pod["env"] == [{"name": "DAGSTER_HOME", "value": launcher["dagster_home"]}]
        assert [one["name"] for one in pod["envSecrets"]] == launcher["env_secrets"]
        [volume], [mount] = pod["volumes"], pod["volumeMounts"]
        assert volume["configMap"]["name"] == launcher["instance_config_map"]
        assert mount["mountPath"] == f"{launcher['dagster_home']}/{mount['subPath']}"
        assert pod["podSecurityContext"]["runAsNonRoot"]
    assert values["serviceAccount"]["name"] == launcher["service_account_name"]
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
