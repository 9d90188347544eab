"""aiohttp.web: the same application as levante's."""

import webapp
from aiohttp import web

if __name__ == "__main__":
    webapp.serve(web, webapp.application(web))
