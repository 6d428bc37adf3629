"""Google's own clients, pointed at Google or at the emulator."""

from typing import Any

from django.conf import settings

from approvals.google.wire import credentials


def workflows_client() -> Any:
    """Google's client for workflow definitions, pointed at Google or at the emulator."""
    from google.cloud import workflows_v1  # noqa: PLC0415 - heavy, and most processes need none

    options = {}
    if settings.WORKFLOWS_EMULATOR_HOST:
        options["api_endpoint"] = settings.WORKFLOWS_EMULATOR_HOST
    client = workflows_v1.WorkflowsClient(
        transport="rest", credentials=credentials(), client_options=options
    )
    transport: Any = client.transport
    transport._session.trust_env = False  # no proxies: they could carry off the token
    return client


def executions_client() -> Any:
    """Google's client for executions over gRPC, pointed at Google or at the emulator.

    A channel of its own for each: it must not be shared with a process that was forked. To the
    emulator it needs no TLS and reaches this machine alone, which gRPC itself makes sure of.
    """
    import grpc  # noqa: PLC0415 - heavy, as the next two
    from google.cloud.workflows import executions_v1  # noqa: PLC0415
    from google.cloud.workflows.executions_v1.services.executions import (  # noqa: PLC0415
        transports,
    )

    class Transport(transports.ExecutionsGrpcTransport):
        """Through no proxy, which could carry off the token."""

        @classmethod
        def create_channel(cls, *args: Any, options: Any = (), **kwargs: Any) -> Any:
            direct = [*options, ("grpc.enable_http_proxy", 0)]
            return super().create_channel(*args, options=direct, **kwargs)

    told: dict[str, Any] = {}
    if settings.WORKFLOWS_EMULATOR_HOST:
        told["host"] = settings.WORKFLOWS_EMULATOR_GRPC_HOST
        told["ssl_channel_credentials"] = grpc.local_channel_credentials()
    transport = Transport(credentials=credentials(), **told)
    return executions_v1.ExecutionsClient(transport=transport)
