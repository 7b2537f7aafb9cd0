"""A Kubernetes Job of workers of one study: the very command of the local form."""

from __future__ import annotations

import re

_JOB = """apiVersion: batch/v1
kind: Job
metadata:
  name: mm-backtest-{label}
  labels:
    app.kubernetes.io/name: mm-backtest
spec:
  parallelism: {workers}
  completions: {workers}
  backoffLimit: {retries}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: mm-backtest
    spec:
      restartPolicy: OnFailure
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: worker
          image: mm-backtest:latest  # the bot's image with mm-bot[backtest]
          command: ["mm-backtest", "worker", {study}]
          env:
            - name: MM_SWEEP_DATABASE_URL
              valueFrom:
                secretKeyRef:
                  name: mm-backtest
                  key: MM_SWEEP_DATABASE_URL
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: ["ALL"]
          resources:
            requests:
              cpu: "1"
              memory: 1Gi
            limits:
              memory: 2Gi
"""


def manifest(study: str, workers: int) -> str:
    """YAML for `kubectl apply -f -`; the database's URL comes from the secret `mm-backtest`."""
    label = re.sub(r"[^a-z0-9]+", "-", study.lower()).strip("-")[:40] or "study"
    quoted = '"' + study.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _JOB.format(label=label, workers=workers, retries=workers * 5, study=quoted)
