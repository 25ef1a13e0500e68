"""Commands that are not projections: they start processes, ask on a terminal, or work without a node."""

from __future__ import annotations

import click

from fazt.cli import backups, data, deploy, download, env, files, logs, nodes, peers, printed, releases, upload, vector
from fazt.cli.options import with_shared
from fazt.cli.project import attach

COMMANDS: dict[str, click.Command] = {
    "up": nodes.up,
    "backup create": backups.create,
    "backup restore": backups.restore,
    "storage backup": backups.create,
    "storage restore": backups.restore,
    "server init": nodes.init,
    "server set-config": nodes.set_config,
    "proc start": nodes.start,
    "proc stop": nodes.stop,
    "proc restart": nodes.restart,
    "security root-pass": nodes.root_pass,
    "client set-auth-token": peers.set_auth_token,
    "deploy": deploy.deploy,
    "client deploy": deploy.deploy,
    "app deploy": deploy.deploy,
    "app download": download.download,
    "storage cid": download.content_id,
    "storage upload": upload.upload,
    "storage batch": data.batch,
    "ds import": data.import_documents,
    "ds export": data.export_documents,
    "kv import": data.import_values,
    "kv export": data.export_values,
    "files get": files.get,
    "files put": files.put,
    "open": releases.open_,
    "logs": logs.logs,
    "app logs": logs.app_logs,
    "env set": env.set_,
    "app env list": env.app_list,
    "app env set": env.app_set,
    "app env unset": env.app_unset,
    "status": releases.status,
    "peer add": peers.add,
    "peer list": peers.list_,
    "peer remove": peers.remove,
    "peer default": peers.default,
    "surface": printed.surface,
    "vector add": vector.add,
    "vector import": vector.import_,
    "vector export": vector.export,
    "version": printed.version,
}


def attach_all(tree: click.Group, shared: list[click.Parameter]) -> None:
    for words, command in COMMANDS.items():
        attach(tree, words.split(), with_shared(command, shared))
