"""What steers the unet engines beside the words: pose and depth through ControlNets, a garment picture through IP-Adapter."""
