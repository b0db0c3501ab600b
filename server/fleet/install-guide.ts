// Fleet: the lines that an administrator pastes on a host to join it.

/** Stands for the token where it is not known. */
export const TOKEN_PLACE = 'TOKEN';

/** Shell lines for root on the host, for a hub reached at `hubUrl`. */
export function installGuide(hubUrl: string, token: string): string {
  return `install -d /etc/banhub
(umask 077; cat > /etc/banhub/report.curl) <<'EOF'
url = "${hubUrl}/api/v1/reports"
header = "Authorization: Bearer ${token}"
EOF
chmod 600 /etc/banhub/report.curl
curl -fsS ${hubUrl}/install/banhub.conf -o /etc/fail2ban/action.d/banhub.conf
curl -fsS ${hubUrl}/install/banhub-matches.conf -o /etc/fail2ban/action.d/banhub-matches.conf
curl -fsS ${hubUrl}/install/jail.d/banhub-sshd.local -o /etc/fail2ban/jail.d/banhub-sshd.local
fail2ban-client reload --restart

(umask 077; cat > /etc/banhub/sync.conf) <<'EOF'
BANHUB_URL=${hubUrl}
BANHUB_TOKEN=${token}
BANHUB_ENFORCE=nftables
EOF
chmod 600 /etc/banhub/sync.conf
curl -fsS ${hubUrl}/install/banhub-sync.js -o /usr/local/sbin/banhub-sync
chmod 755 /usr/local/sbin/banhub-sync
curl -fsS ${hubUrl}/install/systemd/banhub-sync.service -o /etc/systemd/system/banhub-sync.service
systemctl enable --now banhub-sync
`;
}

/** Reports a ban as a host's fail2ban does; the address is from a range kept for tests (RFC 2544). */
export function firstBan(hubUrl: string, token: string): string {
  return `curl -sS ${hubUrl}/api/v1/reports -H 'Authorization: Bearer ${token}' -d action=ban -d ip=198.18.0.66 -d jail=sshd`;
}
