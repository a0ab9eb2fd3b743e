"""How downloads reach the network: offline mode, mirrors, a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QCheckBox, QDialog, QHBoxLayout, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.ui.pages.parts import button, label, wrapped

if TYPE_CHECKING:
    from outfitswap_desktop.ui.pages.weights_work import WeightsWork
    from outfitswap_desktop.weights.network import Network


class NetworkDialog(QDialog):
    """Shows what is set and keeps what is changed; a wrong address is said and the dialog stays."""

    def __init__(self, work: WeightsWork, network: Network, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("networkDialog")
        self.setWindowTitle(self.tr("Network for downloads"))
        self.setMinimumWidth(520)
        self._work = work
        self.offline = QCheckBox()
        self.offline.setChecked(network.offline)
        self.mirrors = QPlainTextEdit("\n".join(network.mirrors))
        self.mirrors.setTabChangesFocus(True)
        self.mirrors.setFixedHeight(76)
        self.mirrors.setPlaceholderText("https://")
        self.mirrors.setAccessibleName(self.tr("Mirrors, one address a line"))
        self.proxy = QLineEdit(network.proxy)
        self.proxy.setPlaceholderText(self.tr("as the system says"))
        self.proxy.setAccessibleName(self.tr("Proxy"))
        self.said = label("", "hint")
        self.save = button(self.tr("Save"), role="primary")
        self.save.setDefault(True)
        self.save.clicked.connect(self._save)
        work.network_kept.connect(self._saved)
        cancel = button(self.tr("Cancel"))
        cancel.clicked.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(10)
        layout.addWidget(wrapped(self.offline, self.tr("Offline mode: nothing is ever downloaded")))
        layout.addWidget(label(self.tr("Mirrors, one address a line"), "heading"))
        layout.addWidget(self.mirrors)
        layout.addWidget(
            label(
                self.tr("Tried in this order when {hub} fails. A mirror can never change what a file must be.").format(
                    hub=network.hub
                ),
                "hint",
            )
        )
        layout.addWidget(label(self.tr("Proxy"), "heading"))
        layout.addWidget(self.proxy)
        layout.addWidget(self.said)
        layout.addStretch(1)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(cancel)
        foot.addWidget(self.save)
        layout.addLayout(foot)

    def _save(self) -> None:
        from outfitswap_desktop.weights.network import Network

        mirrors = tuple(line.strip() for line in self.mirrors.toPlainText().splitlines() if line.strip())
        network = Network(offline=self.offline.isChecked(), mirrors=mirrors, proxy=self.proxy.text().strip())
        self.save.setEnabled(False)
        self._work.set_network(network)

    def _saved(self, problem: KnownError | None) -> None:
        self.save.setEnabled(True)
        if problem is None:
            self.accept()
        else:
            self.said.setText(f"{problem.message} {problem.hint}")
