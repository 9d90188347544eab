"""ASGI 3 both ways: applications of ours on ASGI servers (`asgi`), and ASGI applications within ours
(`Application.mount`).
"""
