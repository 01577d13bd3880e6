"""The whole system as one process tree, which starts and stops in order."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Final

from devstack import dev_token, health, keys, state
from devstack.postgres import roles, server
from devstack.postgres.process import free_port, port_is_free
from devstack.process import Process, start_time
from devstack.programs import AUTOMATION, CHAT, HTTP, SERVED, Programs, Run, run_module
from devstack.settings import HOST, Settings
from devstack.stop_event import StopEvent
from devstack.supervisor import Supervisor

WORKSPACE: Final = "dev"
_TICK: Final = 0.1


class StackError(RuntimeError):
    """The stack can't start; the message says why."""


class StartInterrupted(Exception):
    """A stop was requested during the start."""


@dataclass(slots=True, kw_only=True)
class Stack:
    """Opens nothing before `start`; `say` receives progress lines for a person.

    The caller that sets `stopping` must call `stop` too, also after a failed start.
    """

    settings: Settings
    say: Callable[[str], None]
    stopping: StopEvent = field(default_factory=StopEvent)
    run_program: Run = run_module
    start_timeout: float = 240
    token: str = field(default="", repr=False)
    _server: server.Server | None = field(default=None, init=False)
    _children: list[Process] = field(default_factory=list, init=False)

    def start(self) -> None:
        """Returns when everything serves. Raises StackError or PostgresError."""
        folder = self.settings.state_dir
        for name in state.clear_leftovers(folder):
            self.say(f"ended {name}, which a stack that was killed had left running")
        check_ports(self.settings)
        signing = keys.ensure(folder)
        zone = dev_token.machine_zone(self.settings.environment)
        self.token = dev_token.mint(signing, workspaces={WORKSPACE: "owner"}, zone=zone)
        programs = Programs(
            settings=self.settings,
            keys=signing,
            databases=self._databases(),
            model_port=free_port() if self.settings.demo_model else 0,
            http_port=free_port(),
            run=self.run_program,
        )
        self._migrate(programs)
        self._start_children(programs)
        self._await_serving()
        self._publish()

    def supervise(self) -> None:
        """Restarts every process that ends, until `stopping` is set."""
        supervisor = Supervisor(children=self._children, say=self.say)
        while not self.stopping.wait(_TICK):
            if self._revive_database() or supervisor.restart_exited():
                self._remember()
                self._publish()

    def stop(self) -> None:
        """Stops callers first and the database last; kills what exceeds its grace."""
        state.remove_ready(self.settings.state_dir)
        for names in (("gateway",), (HTTP,), (CHAT, AUTOMATION), ("demo_model",)):
            ending = [child for child in self._children if child.name in names]
            for child in ending:
                child.terminate()
            for child in ending:
                child.wait()
        if self._server is not None:
            server.stop(self._server)
        state.forget(self.settings.state_dir)

    def kill(self) -> None:
        """Kills everything at once, except the database, without waiting."""
        for child in self._children:
            if child.process is not None:
                child.process.kill()

    def pids(self) -> dict[str, int]:
        database = {"postgres": self._server.pid} if self._server else {}
        children = {child.name: child.pid for child in self._children if child.alive}
        return {"devstack": os.getpid(), **database, **children}

    def _databases(self) -> Mapping[str, str]:
        given = self.settings.database_url
        if given:
            return {CHAT: given, AUTOMATION: given}
        self.say("starting PostgreSQL")
        self._server = server.start(self.settings.state_dir)
        if self._server.note:
            self.say(self._server.note)
        made = roles.create_role_and_schema(self._server)
        return {CHAT: made.chat, AUTOMATION: made.automation}

    def _revive_database(self) -> bool:
        old = self._server
        if old is None or _runs(old):
            return False
        self.say("PostgreSQL ended; starting it again")
        self._server = server.start(self.settings.state_dir)
        return True

    def _migrate(self, programs: Programs) -> None:
        self.say("bringing the database up to date")
        migrations = [programs.migration(name) for name in (AUTOMATION, CHAT)]
        for migration in migrations:
            migration.start()
        try:
            self._await(lambda: not any(child.alive for child in migrations), "the migrations")
        finally:
            for migration in migrations:
                migration.terminate()
                migration.wait()
        for migration in migrations:
            if migration.exit_code:
                raise StackError(_why(migration))

    def _start_children(self, programs: Programs) -> None:
        self.say("starting the services and the gateway")
        if programs.model_port:
            self._children.append(programs.model())
        self._children += [
            programs.service(AUTOMATION),
            programs.service(CHAT),
            programs.http(),
            programs.gateway(),
        ]
        for child in self._children:
            child.start()
        self._remember()

    def _await_serving(self) -> None:
        settings = self.settings
        for name, addresses in (
            (AUTOMATION, settings.automation_addresses),
            (CHAT, settings.chat_addresses),
        ):
            for address in addresses:
                self._await(partial(health.is_serving, address, SERVED[name]), name)
        reached = partial(health.is_reachable, settings.gateway_url, self.token, WORKSPACE)
        self._await(reached, "the gateway")

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        """Polls; a child that ends meanwhile is a failed start."""
        deadline = time.monotonic() + self.start_timeout
        while not condition():
            for child in self._children:
                if not child.alive:
                    raise StackError(_why(child))
            if time.monotonic() > deadline:
                logs = self.settings.logs
                raise StackError(f"{what}: not ready after {self.start_timeout:g} s; see {logs}")
            if self.stopping.wait(_TICK):
                raise StartInterrupted

    def _remember(self) -> None:
        mine = {child.name: child.pid for child in self._children}
        state.remember_children(self.settings.state_dir, mine)

    def _publish(self) -> None:
        ready = {
            "gateway_url": self.settings.gateway_url,
            "chat_address": self.settings.chat_address,
            "automation_address": self.settings.automation_address,
            "token": self.token,
            "workspace": f"workspaces/{WORKSPACE}",
            "pids": self.pids(),
        }
        state.write_ready(self.settings.state_dir, ready)


def check_ports(settings: Settings) -> None:
    """Raises StackError for ports that are taken, or given twice."""
    ports = settings.ports()
    for (name, mine), (other, theirs) in combinations(ports.items(), 2):
        if twice := set(mine) & set(theirs):
            raise StackError(f"{name} and {other} both need port {min(twice)}.")
    taken = [
        (name, port) for name, mine in ports.items() for port in mine if not port_is_free(port)
    ]
    if taken:
        which = ", ".join(f"{port} ({name})" for name, port in taken)
        raise StackError(
            f"Taken on {HOST}: port {which}. Stop what listens there, "
            f"or choose another port: {taken[0][0]}=… make run"
        )


def _runs(database: server.Server) -> bool:
    if database.process is not None:
        return database.process.poll() is None
    return bool(start_time(database.pid))


def _why(child: Process) -> str:
    return (
        f"{child.name} ended with {child.exit_code}. The end of {child.log}:\n{child.last_lines()}"
    )
