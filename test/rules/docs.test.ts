// The guides list every setting, with its default and meaning, as the programs have them.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SETTINGS } from '../../server/config.ts';
import { ROOT } from '../support/hub.ts';

const guides = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe('The guides', () => {
  it('list every setting of the hub as it is', () => {
    const rows = Object.entries(SETTINGS).map(([name, setting]) => {
      const fallback = setting.default ? `\`${setting.default}\`` : '';
      return `| \`${name}\` | ${fallback} | ${setting.meaning} |`;
    });
    const text = textOf('docs/operator.md');
    for (const row of rows) assert.ok(text.includes(row), `docs/operator.md lacks the line\n${row}`);
  });

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
