// The connectors under test: how they are started, and calls whose answers are always the same.

import { join } from 'node:path';
import { installed } from './session.mjs';

const npm = (name) => join(installed, 'node_modules/@modelcontextprotocol', name, 'dist/index.js');
const pypi = (name) => join(installed, 'venv/bin', name);

export const time = [pypi('mcp-server-time'), '--local-timezone', 'Etc/UTC'];
export const git = [pypi('mcp-server-git')];
export const everything = ['node', npm('server-everything'), 'stdio'];
export const filesystem = (folder) => ['node', npm('server-filesystem'), folder];
const thinking = ['node', npm('server-sequential-thinking')];

/** `folders`: see `Folders` in run.mjs. Every call must succeed, and `says` be in its answer. */
export const connectors = (folders) => [
  {
    name: 'server-filesystem',
    command: filesystem(folders.granted),
    grants: ['--read', folders.granted],
    calls: [
      ['list_allowed_directories', {}, folders.granted],
      ['list_directory', { path: folders.granted }, 'hello.txt'],
      ['read_text_file', { path: join(folders.granted, 'hello.txt') }, 'hello from the host'],
    ],
  },
  {
    name: 'server-everything',
    command: everything,
    grants: [],
    calls: [
      ['echo', { message: 'one line\nand another: æøå 🦀' }, 'æøå 🦀'],
      ['get-sum', { a: 40, b: 2 }, '42'],
      ['get-tiny-image', {}, ''],
    ],
  },
  {
    name: 'server-sequential-thinking',
    command: thinking,
    grants: [],
    calls: [['sequentialthinking', {
      thought: 'first', thoughtNumber: 1, totalThoughts: 2, nextThoughtNeeded: true,
    }, '"thoughtHistoryLength": 1']],
  },
  {
    name: 'mcp-server-time',
    command: time,
    grants: [],
    calls: [['convert_time', {
      source_timezone: 'Etc/UTC', time: '12:00', target_timezone: 'Asia/Kolkata',
    }, '+5.5h']],
  },
  {
    name: 'mcp-server-git',
    command: git,
    grants: ['--read', folders.repository],
    calls: [
      ['git_log', { repo_path: folders.repository }, 'the granted commit'],
      ['git_status', { repo_path: folders.repository }, 'nothing to commit'],
      ['git_show', { repo_path: folders.repository, revision: 'HEAD' }, '+hello'],
    ],
  },
];
