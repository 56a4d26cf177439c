"""Kernels of notebooks in processes that find torch and transformers imported: real kernels, started sooner.

The notebook's client speaks with them as with any kernel; only who starts the process differs. What a test says of how
a kernel starts needs one from scratch (nbclient's own).
"""

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import warm_processes
from jupyter_client import AsyncKernelManager, KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

PATIENCE = 60.0
"""Seconds for a kernel to end once it is killed or told to."""


class KernelProcess:
    """A warm process with what the provisioner asks of subprocess.Popen."""

    stdin = stdout = stderr = None  # nothing to close

    def __init__(self, program: warm_processes.Program) -> None:
        self.program = program
        assert program.process.pid is not None
        self.pid = program.process.pid

    def poll(self) -> int | None:
        """Say its status, None while it runs."""
        return self.program.process.exitcode

    def wait(self) -> int:
        """Wait for its end, and remove what it printed."""
        return self.program.ended(PATIENCE).returncode

    def send_signal(self, number: int) -> None:
        """Signal the process alone."""
        os.kill(self.pid, number)


class WarmProvisioner(LocalProvisioner):
    """Starts the kernel's own command in a warm process."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start it with the environment and in the folder that the client asks for."""
        folder = Path(kwargs.get("cwd") or Path.cwd())
        self.process = KernelProcess(warm_processes.Program(cmd[1:], kwargs["env"], folder))
        self.pid, self.cwd = self.process.pid, folder
        return self.connection_info


class WarmKernelManager(AsyncKernelManager):
    """What NotebookClient takes as kernel_manager_class."""

    async def _async_pre_start_kernel(self, **kw: Any) -> tuple[list[str], dict[str, Any]]:
        self.kernel_id = self.kernel_id or str(uuid4())
        self.provisioner = WarmProvisioner(kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**kw)
