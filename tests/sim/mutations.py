"""x"""
from tests.sim.world import Mutation
MUTATIONS: tuple[Mutation, ...] = ()
