# SPDX-License-Identifier: Apache-2.0
"""A docker-registry on a free loopback port with the base images of the cases in it, and the server beside it."""

import os
import socket
import subprocess
import time
import urllib.request

import base_image
from served import Served

# Repository, and the ONBUILD triggers of its image.
IMAGES = {
    "busybox": (),
    "onbuild": ("COPY . /app", "RUN touch /triggered", "ENV TRIGGERED=yes"),
}


class Registry:
    def __init__(self, work):
        self.work = work
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.process = None
        self.images = list(IMAGES)
        self.served = Served(os.path.join(work, "served"))
        self.files = self.served.address

    def contexts(self):
        """Flags that make the images known under their names."""
        return [f"--build-context={name}=docker-image://{self.address}/{name}:latest" for name in self.images]

    def add_lazy(self, lazybuild):
        """"lazy": busybox as eStargz."""
        subprocess.run([lazybuild, "convert", f"{self.address}/busybox:latest", f"{self.address}/lazy:latest",
                        "--format", "estargz"], check=True, capture_output=True)
        self.images.append("lazy")

    def without_addresses(self, text):
        """The same text at every run: ports are not."""
        return text.replace(self.files, "$HTTP").replace(self.address, "$REGISTRY")

    def __enter__(self):
        config = os.path.join(self.work, "registry.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: "
                       f"{{rootdirectory: {self.work}/registry}}\nhttp: {{addr: '{self.address}'}}\n")
        with open(os.path.join(self.work, "registry.log"), "wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
        for _ in range(150):
            try:
                urllib.request.urlopen(f"http://{self.address}/v2/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        for name, triggers in IMAGES.items():
            layout = os.path.join(self.work, "image-" + name)
            base_image.write_layout(layout, triggers)
            subprocess.run(["skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false",
                            f"oci:{layout}:latest", f"docker://{self.address}/{name}:latest"], check=True)
        return self

    def __exit__(self, *_):
        self.served.close()
        self.process.terminate()
        self.process.wait(timeout=30)
