/** The page begins here. */
import './page.css';
import { render } from 'preact';
import { keepToken } from './api.js';
import { App } from './app.jsx';
import { readRuns, startFollowing, tell } from './live.js';
import { startPlaying } from './playing.js';
import { startReadingPage } from './run-page.js';
import { startShortcuts } from './shortcuts.js';

keepToken();
startFollowing();
startReadingPage();
startPlaying();
startShortcuts();
readRuns().catch(tell);
render(<App />, document.getElementById('app')!);
