// The sync client in sh: whatever the hub answers in place of a list, what is enforced stays, and a line says why.
import assert from 'node:assert/strict';
import { createFakeHub, type FakeHub, type Misbehaviour } from '../support/fake-hub.ts';
import { answer, compressed, cutLine, digestOf, GOOD, halfABody, status } from './answers.ts';
import { GATEWAYS, ShHost } from './sh-host.ts';

const HTML = '<!DOCTYPE html><html><body>198.18.0.1</body></html>\n';

describe('banhub-sync.sh refuses', () => {
  let hub: FakeHub;
  let host: ShHost;

  before(async () => {
    hub = await createFakeHub();
    host = await ShHost.create(hub, { BANHUB_ENFORCE: 'route,nftables' });
    hub.publish([...GOOD]);
    const { code, stderr } = await host.sync();
    assert.equal(code, 0, stderr);
  });

  after(async () => {
    await host.remove();
    await hub.close();
  });

  afterEach(() => {
    hub.behave();
  });

  async function refuses(reason: RegExp): Promise<void> {
    const { code, stderr } = await host.sync();
    assert.equal(code, 1, stderr);
    assert.match(stderr, reason);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
    assert.deepEqual(await host.routes(), [...GOOD].sort());
    assert.deepEqual(await host.elements(), [...GOOD].sort());
  }

  const answers: [string, Misbehaviour, RegExp][] = [
    ['an error', status(500), /the hub answered 500/],
    ['503', status(503), /the hub answered 503/],
    ['404', status(404, HTML), /the hub answered 404/],
    ['401', status(401), /the hub answered 401/],
    ['a redirect', status(302), /the hub answered 302/],
    ['another success', status(204), /the hub answered 204/],
    ['an empty 200 without our headers', status(200), /no list of a Banhub hub/],
    ['a web page', status(200, HTML), /no list of a Banhub hub/],
    ['a list without a revision', answer(GOOD.slice(1), (headers) => delete headers['banhub-revision']), /no list of/],
    ['a list without a count', answer(GOOD.slice(1), (headers) => delete headers['banhub-count']), /no list of/],
    ['a list without a digest', answer(GOOD.slice(1), (headers) => delete headers['repr-digest']), /no list of/],
    ['a digest of another kind alone', answer([], (headers) => (headers['repr-digest'] = 'md5=:AAAA:')), /no list of/],
    ['a wrong digest', answer([], (headers) => (headers['repr-digest'] = digestOf('198.18.0.1'))), /its digest/],
    ['a digest that is no base64', answer([], (headers) => (headers['repr-digest'] = 'sha-256=:=a=:')), /its digest/],
    ['a wrong count', answer(GOOD.slice(1), (headers) => (headers['banhub-count'] = '3')), /2 entries where.* 3/],
    ['a count that is no number', answer([], (headers) => (headers['banhub-count'] = '0x0')), /no list of/],
    ['half a body', halfABody('length'), /closed|transfer|outstanding/],
    ['half a body in chunks', halfABody('chunked'), /closed|transfer|chunk/i],
    ['a body cut at its last line', cutLine, /cut off/],
    ['no answer at all', (_request, response) => response.destroy(), /[Ee]mpty reply/],
    ['a compressed list that nobody asked for', compressed, /no address|cut off/],
  ];
  for (const [what, misbehave, reason] of answers) {
    it(what, async () => {
      hub.misbehave(misbehave);
      await refuses(reason);
    });
  }

  const lines: [string, RegExp][] = [
    ['0.0.0.0/0', /wider/],
    ['0.0.0.0/1', /wider/],
    ['128.0.0.0/1', /wider/],
    ['::/0', /wider/],
    ['2000::/3', /wider/],
    ['198.18.0.1;reboot', /no address/],
    ['$(reboot)', /no address/],
    ['198.18.0.1 via 198.18.0.2', /no address/],
    ['`id`', /no address/],
    ['198.18.0.1 }\nflush ruleset\nadd element inet x y { 198.18.0.2', /no address/],
    ['-batch', /no address/],
    ['default', /no address/],
    ['any', /no address/],
    ['localhost', /no address/],
    ['example.org', /no address/],
    ['# comment', /no address/],
    ['', /no address/],
    [' 198.18.0.1', /no address/],
    ['198.18.0.1 ', /no address/],
    ['198.18.0.1\r', /no address/],
    ['198.18.0', /no address/],
    ['198.18.0.1.2', /no address/],
    ['198.18.0.256', /no address/],
    ['198.18.0.01', /no address/],
    ['0300.0.0.1', /no address/],
    ['0xc6120001', /no address/],
    ['198.18.0.-1', /no address/],
    ['198.18.0.1e1', /no address/],
    ['198.18.0.1/', /no address/],
    ['198.18.0.1/33', /no address/],
    ['198.18.0.1/024', /no address/],
    ['198.18.0.1/24', /no address/],
    ['198.18.0.1/32', /no address/],
    ['198.18.0.0/255.255.255.0', /no address/],
    ['198.18.0.1-198.18.0.9', /no address/],
    ['2001:db8::1::2', /no address/],
    ['2001:db8:::1', /no address/],
    ['2001:db8:0:0:0:0:0:0:1', /no address/],
    ['2001:db8::12345', /no address/],
    ['2001:db8::g', /no address/],
    ['2001:db8::1%eth0', /no address/],
    ['2001:db8::1/64', /no address/],
    ['2001:db8::1/128', /no address/],
    ['2001:db8::/129', /no address/],
    ['1:2:3:4:5:6:7', /no address/],
    [':', /no address/],
    ['198.18.0.7', /twice/],
  ];
  for (const [line, reason] of lines) {
    it(`a list with the line ${JSON.stringify(line)}`, async () => {
      const text = [...GOOD, line, '198.18.0.9'].join('\n').split('\n');
      hub.misbehave(answer(text));
      await refuses(reason);
    });
  }

  it('a hub that cannot be reached', async () => {
    const url = host.settings.BANHUB_URL!;
    host.settings.BANHUB_URL = `http://${GATEWAYS[0]}:9`;
    await refuses(/connect|refused/i);
    host.settings.BANHUB_URL = url;
  });

  it('a hub that does not answer in time', async () => {
    hub.misbehave(() => {});
    host.settings.BANHUB_TIMEOUT = '1';
    await refuses(/timed out/);
    delete host.settings.BANHUB_TIMEOUT;
  });
});
