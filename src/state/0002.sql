-- 1: its token is a browser's cookie, and counts no more when the browser was not seen for long.
ALTER TABLE devices ADD COLUMN cookie INTEGER NOT NULL DEFAULT 0;
