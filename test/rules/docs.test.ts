// The guides list every setting, with its default and meaning, as the programs have them.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SETTINGS as hubSettings } from '../../server/config.ts';
import { SETTINGS as clientSettings } from '../../sync-client/config.ts';
import { ROOT } from '../support/hub.ts';

const guides = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe('The guides', () => {
  for (const [guide, settings] of [
    ['docs/operator.md', hubSettings],
    ['docs/host.md', clientSettings],
  ] as const) {
    it(`list every setting as it is, in ${guide}`, () => {
      const text = textOf(guide);
      for (const [name, setting] of Object.entries(settings)) {
        const fallback = setting.default ? `\`${setting.default}\`` : '';
        const row = `| \`${name}\` | ${fallback} | ${setting.meaning} |`;
        assert.ok(text.includes(row), `${guide} lacks the line\n${row}`);
      }
    });
  }

  it('name no file that is not there', () => {
    for (const guide of guides) {
      for (const [, link = ''] of textOf(guide).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        assert.ok(existsSync(join(ROOT, dirname(guide), link)), `${guide} links to ${link}`);
      }
    }
  });

  it('have nothing left to fill in', () => {
    for (const guide of guides) assert.doesNotMatch(textOf(guide), /PLACEHOLDER/, guide);
  });
});
