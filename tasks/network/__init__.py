"""Connections to other machines: proxies, certificates, and hosts that strangers name."""
