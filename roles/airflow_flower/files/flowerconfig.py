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

# One file has both. Browsers that have been here once come back by HTTPS alone.
certfile = keyfile = os.environ.get("AIRFLOW__LAKEHOUSE__FLOWER_CERTIFICATE")
if certfile:
    set_default_headers = BaseHandler.set_default_headers

    def set_headers(handler: BaseHandler) -> None:
        set_default_headers(handler)
        handler.set_header("Strict-Transport-Security", "max-age=31536000")

    BaseHandler.set_default_headers = set_headers
    settings["xsrf_cookie_kwargs"] = {"secure": True}
