"""levante.web: an application with a class-based view, all timeouts as they are by default."""

import webapp

from levante import web

if __name__ == "__main__":
    webapp.serve(web, webapp.application(web))
