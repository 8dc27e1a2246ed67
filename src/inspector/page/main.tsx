/** The page begins here. */
import './page.css';
import { render } from 'preact';
import { keepToken } from './api.js';
import { App } from './app.jsx';
import { readRuns, startFollowing, tell } from './live.js';

keepToken();
startFollowing();
readRuns().catch(tell);
render(<App />, document.getElementById('app')!);
