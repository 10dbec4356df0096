"""Flower's configuration, beside its environment file: a login for the pages that it leaves open.

Without it `/metrics`, which names workers and tasks, and `/healthcheck` answer anybody. Flower does not start
if they are not found.
"""

from flower.views.monitor import Healthcheck, Metrics
from tornado.web import authenticated

# It shows workers. The broker and the workers would refuse to send tasks, and to stop, anyway.
read_only = True

for page in (Healthcheck, Metrics):
    page.get = authenticated(page.get)
