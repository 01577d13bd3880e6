"""Tests of deliveries: what is stored is sent."""
