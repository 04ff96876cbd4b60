"""What a client knows of the models that it uses: read once, and again when an answer shows that it is out of date."""

from __future__ import annotations

import logging
from typing import Any, Dict

import numpy.typing as npt

from action_energy._proto import energy_pb2
from action_energy.action_checks import UnitsWatch
from action_energy.model import ModelInfo, model_info
from action_energy.plans import Deadline, Plan, Retries, retried

log = logging.getLogger("action_energy")

GET_MODEL = "/action_energy.v1.EnergyService/GetModel"


class KnownModels:
    """By the name that requests give, so the empty one is the server's default."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._models: Dict[str, ModelInfo] = {}
        self._units: Dict[str, UnitsWatch] = {}

    def known(self, name: str, until: Deadline) -> Plan[ModelInfo]:
        found = self._models.get(name)
        return found if found is not None else (yield from self.fresh(name, until))

    def fresh(self, name: str, until: Deadline) -> Plan[ModelInfo]:
        payload = energy_pb2.GetModelRequest(name=name).SerializeToString()
        answer = yield from retried(self._retries, GET_MODEL, payload, until)
        info = self._models[name] = model_info(energy_pb2.Model.FromString(answer))
        return info

    def forget(self, name: str) -> None:
        self._models.pop(name, None)

    def compare(self, name: str, digest: str) -> None:
        """With the weights' digest of an answer. Another: the model was reloaded, and is read again before the next request."""
        found = self._models.get(name)
        if found is not None and digest and digest != found.digest:
            self.forget(name)

    def watch_units(self, candidates: npt.NDArray[Any], info: ModelInfo) -> None:
        """Logs once when candidates [N, H, A] stay so small that they must be in robot units."""
        if self._units.setdefault(info.name, UnitsWatch()).is_suspicious(candidates, info):
            log.warning(
                "the candidates of the last %d requests to %s all lay within ±%g: are they in robot units? The model was "
                "trained on q01/q99-normalised actions (action_energy.conventions.Normalizer)",
                UnitsWatch.REQUESTS,
                info.name,
                UnitsWatch.SMALL,
            )
