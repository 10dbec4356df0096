"""Flower's configuration, beside its environment file: a login for the pages that it leaves open, and TLS.

Without it `/metrics`, which names workers and tasks, and `/healthcheck` answer anybody. Flower does not start
if they are not found.
"""

import os

from flower.urls import settings
from flower.views import BaseHandler
from flower.views.monitor import Healthcheck, Metrics
from tornado.web import authenticated

# It shows workers. The broker and the workers would refuse to send tasks, and to stop, anyway.
read_only = True

for page in (Healthcheck, Metrics):
    page.get = authenticated(page.get)

# One file has both.
certfile = keyfile = os.environ.get("AIRFLOW__LAKEHOUSE__FLOWER_CERTIFICATE")

# Where people come by HTTPS, to Flower or to a proxy.
if os.environ.get("AIRFLOW__LAKEHOUSE__FLOWER_SECURE_COOKIES"):
    settings["xsrf_cookie_kwargs"] = {"secure": True}

# Browsers that have been here once come back by HTTPS alone.
transport_security = os.environ.get("AIRFLOW__LAKEHOUSE__FLOWER_STRICT_TRANSPORT_SECURITY")
if transport_security:
    set_default_headers = BaseHandler.set_default_headers

    def set_headers(handler: BaseHandler) -> None:
        set_default_headers(handler)
        handler.set_header("Strict-Transport-Security", transport_security)

    BaseHandler.set_default_headers = set_headers
